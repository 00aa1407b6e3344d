// Nothing about Heartwire: that it needs no word here is what is tested.
export default {
  base: './',
  // The hub, for the development server. Built pages are served by the hub itself.
  server: { proxy: { '/events': { target: process.env.HUB, changeOrigin: true } } },
};
