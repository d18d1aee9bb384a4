import { defineConfig } from "drizzle-kit";

export default defineConfig({
  dialect: "sqlite",
  schema: "./tracker/schema.ts",
  out: "./migrations",
});
