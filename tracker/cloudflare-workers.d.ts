/** What a Worker may ask of its host: the bindings of its configuration. */
declare module "cloudflare:workers" {
  export const env: Readonly<Record<string, unknown>>;
}
