/** The address of the classic script, which the build puts in the place of `import.meta.url`. */

// Known only while the script runs for the first time.
export const scriptUrl = (globalThis.document?.currentScript as HTMLScriptElement | null | undefined)?.src;
