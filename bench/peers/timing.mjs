/** Mean milliseconds of a run, which is repeated until `least` milliseconds have passed. */
export async function timed(run, least) {
  const start = performance.now();
  let runs = 0;
  let elapsed = 0;
  do {
    await run();
    runs++;
    elapsed = performance.now() - start;
  } while (elapsed < least);
  return elapsed / runs;
}
