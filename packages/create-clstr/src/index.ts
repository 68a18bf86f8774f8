export { createProject } from './project.ts';
