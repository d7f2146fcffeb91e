/** `npx tsx scripts/reward-vectors.ts`: writes python/tests/fixtures/rewards.json, which ties the trainer's rewards to ours. */
import { writeFileSync } from "node:fs";
import { rewardVectors } from "../src/train/language-model/reward-vectors.ts";

const file = new URL("../python/tests/fixtures/rewards.json", import.meta.url);
writeFileSync(file, `${JSON.stringify(rewardVectors(), null, 1)}\n`);
