/** Takes one sample. `index` counts from 0; the warm-up's is -1. */
export type TakeSample = (index: number) => Promise<number>;

export interface Pairs {
  readonly ours: readonly number[];
  readonly peer?: readonly number[];
}

/**
 * Ours, peer, ours, peer …, after one warm-up of each that does not count: whatever the machine does meanwhile falls on both. Without a
 * peer only ours. The first error ends it.
 */
export async function measurePairs(count: number, takeOurs: TakeSample, takePeer: TakeSample | undefined): Promise<Pairs> {
  const ours: number[] = [];
  const peer: number[] = [];
  for (let index = -1; index < count; index++) {
    const mine = await takeOurs(index);
    const theirs = await takePeer?.(index);
    if (index < 0) continue;
    ours.push(mine);
    if (theirs !== undefined) peer.push(theirs);
  }
  return takePeer === undefined ? { ours } : { ours, peer };
}
