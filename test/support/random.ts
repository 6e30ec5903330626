// What every test file draws its random cases from. The suite draws the same ones each time, so that a change is judged by what
// it changes and not by luck; TEST_SEED=random draws new ones (`npm run explore`, `npm run fuzz`), and a number repeats
// the run whose failure named that seed.
import fc from 'fast-check'

const SUITE_SEED = 20_261_122

const { TEST_SEED } = process.env
export const testSeed = TEST_SEED === 'random' ? Date.now() % 2 ** 31 : Number(TEST_SEED ?? SUITE_SEED)

fc.configureGlobal({ seed: testSeed })
