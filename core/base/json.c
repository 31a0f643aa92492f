/* base/json.c - JSON files by jansson. */
#include "base/base.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int json_save(const char *path, const json_t *value)
{
    char *text = json_dumps(value, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    int status = NRE_ENOMEM;

    if (text)
        status = file_print(path, "%s\n", text);
    else
        fail(status, "%s: cannot write as JSON: out of memory, or no object or array",
             path);
    free(text);
    return status;
}

int json_load_path(const char *path, size_t limit, json_t **out)
{
    char *text = NULL;
    size_t n = 0;
    json_error_t error;

    *out = NULL;
    int status = file_read(path, limit, &text, &n);
    if (status)
        return status;
    *out = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
    if (!*out)
        status =
            fail(NRE_EFORMAT, "%s:%d:%d: %s", path, error.line, error.column, error.text);
    free(text);
    return status;
}

json_t *json_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}
