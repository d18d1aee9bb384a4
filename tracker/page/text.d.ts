declare module "*.css" {
  const text: string;
  // biome-ignore lint/style/noDefaultExport: a text import is a default export
  export default text;
}

declare module "*.svg" {
  const text: string;
  // biome-ignore lint/style/noDefaultExport: a text import is a default export
  export default text;
}

declare module "*/browser.js" {
  const text: string;
  // biome-ignore lint/style/noDefaultExport: a text import is a default export
  export default text;
}
