import { KernelcastError, type TrustKey } from "../../domain/index.ts";
import type { TrustLedger } from "../../store/trust-ledger.ts";
import { surrogateRecipe } from "./surrogate-recipe.ts";

export interface KeyChoice {
  readonly forecaster?: string | undefined;
  /** Name of the device, or part of it. */
  readonly device?: string | undefined;
}

/** The ledger's keys that a user means. */
export function matchingKeys(ledger: TrustLedger, { forecaster, device }: KeyChoice): readonly TrustKey[] {
  return ledger
    .keys()
    .filter((key) => forecaster === undefined || key.surrogate === forecaster)
    .filter((key) => device === undefined || key.device.toLowerCase().includes(device.toLowerCase()));
}

/**
 * The one key that a user means: the forecaster as it is installed, on the one device that the ledger knows it on, else on the device
 * named. Throws `KernelcastError("usage", …)`.
 */
export function oneKey(
  ledger: TrustLedger,
  choice: { readonly forecaster: string; readonly device?: string | undefined },
): TrustKey {
  const recipe = surrogateRecipe(choice.forecaster);
  const keys = matchingKeys(ledger, choice).filter((key) => key.recipe === recipe);
  const [only, ...others] = keys;
  if (only && others.length === 0) return only;
  if (others.length > 0) {
    const names = keys.map(({ device }) => device).join(", ");
    throw new KernelcastError(
      "usage",
      `--device: the ledger knows ${choice.forecaster} on several (${names}); name one`,
    );
  }
  if (choice.device === undefined) {
    throw new KernelcastError(
      "usage",
      `--device: the ledger does not know ${choice.forecaster} yet; name the device in full`,
    );
  }
  return { surrogate: choice.forecaster, recipe, device: choice.device };
}
