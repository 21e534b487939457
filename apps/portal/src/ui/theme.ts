import { createTheme, type MantineColorsTuple } from "@mantine/core";

/** The one accent: a ship's blue. What is filled with it carries white text; shade 4 is for text on dark. */
const sea: MantineColorsTuple = [
  "#eef3fe",
  "#dbe5fb",
  "#b6c9f6",
  "#9db8fb",
  "#86aaff",
  "#5f8af0",
  "#3f6ede",
  "#2857c5",
  "#2049a8",
  "#193b8a",
];

/** The greys of the dark scheme, as globals.css has them, for what components draw themselves. */
const dark: MantineColorsTuple = [
  "#e4e8ed",
  "#a9b2bd",
  "#87919d",
  "#5d6773",
  "#2b333e",
  "#1f262f",
  "#171c23",
  "#12161c",
  "#0c0f13",
  "#080a0d",
];

export const theme = createTheme({
  colors: { sea, dark },
  primaryColor: "sea",
  primaryShade: { light: 7, dark: 6 },
  fontFamily: "var(--font-geist-sans), system-ui, sans-serif",
  fontFamilyMonospace: "var(--font-geist-mono), ui-monospace, monospace",
  headings: { fontFamily: "var(--font-geist-sans), system-ui, sans-serif", fontWeight: "600" },
  defaultRadius: 6,
  cursorType: "pointer",
  respectReducedMotion: true,
  components: {
    Button: { defaultProps: { size: "xs" } },
    TextInput: { defaultProps: { size: "sm" } },
    PasswordInput: { defaultProps: { size: "sm" } },
    Tooltip: { defaultProps: { openDelay: 300, withArrow: true } },
    Modal: {
      defaultProps: {
        lockScroll: false,
        centered: true,
        size: "lg",
        overlayProps: { backgroundOpacity: 0.4 },
        transitionProps: { duration: 80 },
      },
    },
    Menu: { defaultProps: { shadow: "md", transitionProps: { duration: 60 } } },
  },
});
