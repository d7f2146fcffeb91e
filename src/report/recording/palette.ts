/**
 * Colours of the plots, by background: told apart by people with any kind of colour vision (after Okabe and Ito 2008), and at
 * least 3 : 1 against their background.
 */
export const palette = {
  light: {
    background: "#ffffff",
    ink: "#1f2937",
    blue: "#0072b2",
    vermilion: "#c65300",
    green: "#007a57",
    purple: "#a3477f",
    ochre: "#8a6d00",
    grey: "#6b7280",
    pale: "#d1d5db",
  },
  dark: {
    background: "#0d1117",
    ink: "#e5e7eb",
    blue: "#56b4e9",
    vermilion: "#f28e4c",
    green: "#2fbf94",
    purple: "#dd8fbe",
    ochre: "#e0b93c",
    grey: "#9ca3af",
    pale: "#374151",
  },
} as const;

export type Colour = keyof typeof palette.light;

/** A colour as plots name it; what it is depends on whether the reader's screen is light or dark. */
export function colour(name: Colour): string {
  return `var(--${name})`;
}

/** CSS that defines the colours under a selector. */
export function paletteStyles(selector: string): string {
  const rules = (mode: "light" | "dark"): string =>
    Object.entries(palette[mode])
      .map(([name, value]) => `--${name}:${value}`)
      .join(";");
  return `${selector}{${rules("light")}}@media (prefers-color-scheme:dark){${selector}{${rules("dark")}}}`;
}
