const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** @returns `512 B`, `1.5 GiB`: at most one digit after the point, 1024-based */
export function formatBytes(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 ? Math.floor(value) : value.toFixed(1)} ${UNITS[power]}`;
}

/** @returns `0:07`, `12:30`, `3:00:00` */
export function formatSeconds(seconds: number): string {
  const whole = Math.floor(seconds);
  const tail = String(whole % 60).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${tail}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${tail}`;
}

/** @returns whole percent, rounded down, so that it never says more than is true; 100 only when all is done */
export function percentDone(done: number, total: number): number {
  if (total === 0) return 100;
  return Math.floor((Math.min(done, total) * 100) / total);
}
