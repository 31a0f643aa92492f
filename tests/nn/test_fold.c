/* Tests of nn/fold.c: which batch norms go.  That the logits stay is in test_model.c. */
#include "plain.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* Batch norms of an example, and how many of them are folded. */
static void count(const char *name, size_t *norms, size_t *folded)
{
    net *g = NULL;
    for (size_t i = 0; i < N_EXAMPLES; i++)
        if (strcmp(EXAMPLES[i].name, name) == 0)
            cr_assert_eq(example_net(&EXAMPLES[i], &g), 0);
    cr_assert_not_null(g);
    net copy = *g;
    copy.weights = calloc(2 * g->n_weight_tensors + g->n_nodes, sizeof *copy.weights);
    memcpy(copy.weights, g->weights, g->n_weight_tensors * sizeof *copy.weights);
    float *weights = calloc(g->n_weights + 1000, sizeof *weights), ones[64];
    norm_terms *terms = calloc(g->n_nodes, sizeof *terms);
    bool *gone = calloc(g->n_nodes, sizeof *gone);
    for (size_t i = 0; i < 64; i++)
        ones[i] = 1;
    for (size_t i = 0; i < g->n_nodes; i++)
        terms[i] = (norm_terms){.scale = ones, .shift = ones};
    norms_fold(&copy, weights, terms, gone);
    *norms = *folded = 0;
    for (size_t i = 0; i < g->n_order; i++) {
        *norms += g->nodes[g->order[i]].op == OP_BATCH_NORM;
        *folded += gone[g->order[i]];
    }
    free(copy.weights);
    free(weights);
    free(terms);
    free(gone);
    net_free(g);
}

Test(fold, norms_beside_linear_layers_go)
{
    static const struct {
        const char *name;
        size_t norms, folded;
    } CASES[] = {{"batch_norm", 6, 6},
                 {"matrix", 2, 1},
                 {"residual", 1, 0},
                 {"set", 1, 0},
                 {"norm_blocks", 8, 8}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        size_t norms, folded;
        count(CASES[i].name, &norms, &folded);
        cr_assert_eq(norms, CASES[i].norms, "%s: %zu norms", CASES[i].name, norms);
        cr_assert_eq(folded, CASES[i].folded, "%s: %zu folded", CASES[i].name, folded);
    }
}
