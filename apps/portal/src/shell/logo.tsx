/** The load line on a ship's hull: a disc with a line through it. */
export function Logo({ size = 20 }: { readonly size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 20 20" aria-hidden="true">
      <circle cx="10" cy="10" r="6.6" fill="none" stroke="currentColor" strokeWidth="2" />
      <path d="M.5 10h19" stroke="var(--accent)" strokeWidth="2.4" />
    </svg>
  );
}
