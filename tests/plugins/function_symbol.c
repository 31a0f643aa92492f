/* function_symbol: exports a function where the constant should be. */
extern __attribute__((visibility("default"))) int nre_plugin_v1(void);

int nre_plugin_v1(void)
{
    return 1;
}
