/* Any bytes as a config: parsed, checked against the schema and written back, without
 * plugins. What is accepted must read back to the same text. */
#include "config/config.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static char *inputs_of(const experiment *e, arena *a)
{
    const char *const all[] = {""};
    const char *text = experiment_inputs(e, a, 1, all);
    bug_if(!text);
    return arena_copy(a, text);
}

static void check_round_trip(const experiment *e, arena *a)
{
    const char *text = experiment_text(e, a);
    bug_if(!text);
    experiment *again = NULL;
    config_request r = {.path = "-"};
    int status = experiment_from_text(&r, text, strlen(text), a, &again);
    if (status != NRE_OK)
        fprintf(stderr, "%s\n%s\n", text, error_message());
    bug_if(status != NRE_OK);
    bug_if(strcmp(inputs_of(e, a), inputs_of(again, a)) != 0);
    bug_if(strcmp(experiment_text(again, a), text) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    arena *a = arena_new();
    experiment *e = NULL;
    sweep *s = NULL;
    config_request r = {.path = "-"};
    bug_if(!a);
    if (memmem(data, n, "extends", 7)) { /* other files are not the fuzzer's */
        arena_free(a);
        return 0;
    }
    /* Exactly N bytes, so that a read past the end is seen. */
    char *text = malloc(n ? n : 1);
    bug_if(!text);
    memcpy(text, data, n);
    if (config_from_text(&r, text, n, a, &e, &s) == NRE_OK)
        check_round_trip(e ? e : s->cells[s->n_cells - 1].experiment, a);
    free(text);
    arena_free(a);
    return 0;
}
