import type { Case, Outcome } from "./case.ts";
import { judge, type Verdict } from "./compare.ts";
import { OurBuilder } from "./ours.ts";

/** As many as the machines that this runs on have cores. */
const WORKERS = 2;

export interface Result {
  readonly one: Case;
  readonly expected: Outcome;
  readonly verdict: Verdict;
}

/** Builds all cases with ours and judges each, in the order of the cases. */
export async function compareAll(
  cases: readonly Case[],
  expectedOf: (one: Case) => Outcome | Promise<Outcome>,
): Promise<readonly Result[]> {
  await using ours = await OurBuilder.open(cases);
  return await inParallel(cases, async (one) => {
    const expected = await expectedOf(one);
    return { one, expected, verdict: judge(one, expected, await ours.build(one)) };
  });
}

/** `work` on each item, a few at a time; results in the items' order. */
export async function inParallel<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < items.length; index = next++) {
      const item = items[index];
      if (item !== undefined) results[index] = await work(item);
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, worker));
  return results;
}
