/** Constants of the baselines, in log2 units. Written by `npm run fit:baselines`; do not edit. */
export const fittedBaselines = {
  trainedOn: { recording: "atlas", device: "NVIDIA H100 80GB HBM3", tasks: 42, kernels: 12700 },
  pOk: 0.931,
  constant: { m: -2.754, sigmaLow: 2.332, sigmaHigh: 1.922 },
  anchor: { seed: { m: 0, sigmaLow: 6.065, sigmaHigh: 0.05 }, other: { m: 0, sigmaLow: 0.152, sigmaHigh: 0.14 } },
  length: { slope: -0.955, m: -1.308, sigmaLow: 2.38, sigmaHigh: 1.464 },
  roofline: { m: 0, sigmaLow: 0.05, sigmaHigh: 7.321 },
} as const;
