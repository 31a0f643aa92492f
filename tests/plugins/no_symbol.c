/* no_symbol: a shared object that is no plugin. */
extern __attribute__((visibility("default"))) const int nre_plugin_v0;
const int nre_plugin_v0 = 1;
