/** Something that whoever starts the demo can put right: said in one line, without a stack. */
export class DemoError extends Error {}
