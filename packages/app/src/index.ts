export { createApp } from './app.ts';
export type { App } from './app.ts';
export { defaults } from './options.ts';
export type { AppOptions } from './options.ts';
