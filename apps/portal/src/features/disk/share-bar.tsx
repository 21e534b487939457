import classes from "./disk.module.css";

/** The part of a whole as a bar; the numbers stand beside it. */
export function ShareBar({ bytes, of }: { readonly bytes: number; readonly of: number }) {
  return (
    <div className={classes.track} aria-hidden="true">
      <div className={classes.fill} style={{ width: `${of > 0 ? Math.min(100, (bytes / of) * 100) : 0}%` }} />
    </div>
  );
}
