// Nothing about Heartwire. Exported, so that the hub can serve it.
export default { output: 'export', distDir: 'dist' };
