import { describe, expect, it } from "vitest";
import { parseInfo, parseMap, parseProcesses, parseServers, splitAnswers } from "./runtime.ts";
import { parseTraffic, TrafficLedger } from "./traffic.ts";

/** Texts as HAProxy 2.6.12 wrote them. */
describe("answers of HAProxy", () => {
  it("of several commands are told apart", () => {
    expect(splitAnswers("New server registered.\n\n\nServer deleted.\n\n", 3)).toEqual(["New server registered.", "", "Server deleted."]);
  });

  it("hold servers: in use, draining, out", () => {
    const text = `1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port
3 b1 1 i1 127.0.0.1 2 0 1 1 0 1 0 1 6 0 0 0 - 18998 - 0 0 - - 0
3 b1 2 i2 10.64.0.2 2 8 1 1 0 1 0 1 6 0 0 0 - 80 - 0 0 - - 0
3 b1 3 i3 10.64.0.3 0 1 1 1 0 1 0 1 6 0 0 0 - 80 - 0 0 - - 0
`;
    expect(parseServers(text)).toEqual([
      { backend: "b1", name: "i1", endpoint: "127.0.0.1:18998", enabled: true, isOut: false },
      { backend: "b1", name: "i2", endpoint: "10.64.0.2:80", enabled: false, isOut: false },
      { backend: "b1", name: "i3", endpoint: "10.64.0.3:80", enabled: false, isOut: true },
    ]);
  });

  it("hold map entries and processes", () => {
    expect(parseMap("0x55aa5d5e4450 a.localhost app_x\n0x55aa5d5e4460 b.localhost app_y\n\n")).toEqual(
      new Map([
        ["a.localhost", "app_x"],
        ["b.localhost", "app_y"],
      ]),
    );
    const proc = `#<PID>          <type>          <reloads>       <uptime>        <version>
2582            master          1 [failed: 0]   0d00h00m01s     2.6.12-1+deb12u4
# workers
2733            worker          0               0d00h00m01s     2.6.12-1+deb12u4
# old workers
2632            worker          1               0d00h00m01s     2.6.12-1+deb12u4
# programs
`;
    expect(parseProcesses(proc)).toEqual({ master: 2582, workers: [2733, 2632] });
    expect(parseProcesses("")).toEqual({ master: undefined, workers: [] });
  });

  it("say who answers, and whether it was replaced and has nothing left to do", () => {
    const but = (line: string) => parseInfo(text.replace(new RegExp(`^${line.split(":")[0]}:.*$`, "m"), line));
    const text =
      "Name: HAProxy\nPid: 13266\nMaxconn: 32741\nCurrConns: 0\nCumConns: 3\nStopping: 1\nJobs: 2\nUnstoppable Jobs: 1\nListeners: 0\n";
    expect(parseInfo(text)).toEqual({ pid: 13266, isDone: true });
    for (const busy of ["Stopping: 0", "Jobs: 3", "CurrConns: 1"]) expect(but(busy)).toEqual({ pid: 13266, isDone: false });
    expect(parseInfo("").isDone).toBe(false);
  });

  it("hold counters of backends, not of servers and not of the platform", () => {
    const csv = `# pxname,svname,scur,econ,eresp,hrsp_5xx,req_tot,
b1,i1,1,0,0,0,,
b1,BACKEND,2,1,1,3,40,
platform_api,BACKEND,0,0,0,0,7,
`;
    expect(parseTraffic(csv)).toEqual([{ backendId: "b1", requests: 40, failed: 3, connectionErrors: 2, sessions: 2 }]);
  });
});

describe("the traffic ledger", () => {
  const counted = (requests: number, sessions = 1) => [{ backendId: "b1", requests, failed: 1, connectionErrors: 0, sessions }];
  const [one, two] = [
    { pid: 1, startTicks: 10 },
    { pid: 2, startTicks: 20 },
  ];

  it("adds up workers, keeps what an ended one counted, and never counts twice", () => {
    const ledger = new TrafficLedger();
    ledger.record(one, counted(10));
    ledger.record(one, counted(15));
    ledger.record(two, counted(5));
    ledger.settle(() => true);
    expect(ledger.totals()).toEqual([{ backendId: "b1", requests: 20, failed: 2, connectionErrors: 0, sessions: 2 }]);
    ledger.record(two, counted(6));
    for (let i = 0; i < 2; i++) ledger.settle((worker) => worker === two);
    ledger.record(two, counted(7));
    expect(ledger.totals()).toEqual([{ backendId: "b1", requests: 22, failed: 2, connectionErrors: 0, sessions: 1 }]);
  });

  it("knows a worker that has the pid of an ended one for another", () => {
    const ledger = new TrafficLedger();
    ledger.record(one, counted(10));
    ledger.settle(() => false);
    ledger.record({ pid: 1, startTicks: 30 }, counted(3));
    expect(ledger.totals()[0]?.requests).toBe(13);
  });
});
