/* Tests of nn/weights.c: a round trip through a store, and files of other networks. */
#include "plain.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64], path[96];

static void folder_new(void)
{
    strcpy(folder, "/tmp/nereid-weights-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/w.h5", folder);
}

static void folder_end(void)
{
    unlink(path);
    rmdir(folder);
}

TestSuite(weights, .init = folder_new, .fini = folder_end);

static void save(const net *g, const float *values)
{
    size_t n;
    store *s = NULL;
    const net_tensor *t = net_weights(g, &n);
    cr_assert_eq(store_create(path, &s), 0, "%s", error_message());
    cr_assert_eq(weights_put(s, "weights", n, t, values), 0, "%s", error_message());
    cr_assert_eq(store_commit(s), 0, "%s", error_message());
}

static int load(const net *g, const char *prefix, float *values)
{
    size_t n;
    store *s = NULL;
    const net_tensor *t = net_weights(g, &n);
    cr_assert_eq(store_open(path, &s), 0, "%s", error_message());
    int status = weights_get(s, prefix, n, t, values);
    store_close(s);
    return status;
}

Test(weights, round_trip)
{
    net *g = NULL;
    cr_assert_eq(example_net(&EXAMPLES[7], &g), 0);
    size_t n = net_n_weights(g);
    float *a = calloc(2 * n, sizeof *a);
    normals(1, n, a);
    save(g, a);
    cr_assert_eq(load(g, "weights", a + n), 0, "%s", error_message());
    cr_assert_arr_eq(a, a + n, n * sizeof *a);
    free(a);
    net_free(g);
}

static nre_node build_narrow(const void *self, nre_graph *g)
{
    (void)self;
    nre_node a = g->linear(g, g->concat(g, g->theta, g->x), 9, 1);
    return g->linear(g, g->linear(g, a, 6, 1), 1, 1);
}

Test(weights, another_network_is_refused_with_both_shapes)
{
    const example narrow = {"narrow", build_narrow, 2, 1, {{"x", {1, {5}}, 0}}};
    net *g = NULL, *other = NULL;
    cr_assert_eq(example_net(&EXAMPLES[0], &g), 0);
    cr_assert_eq(example_net(&narrow, &other), 0);
    float *a = calloc(net_n_weights(g) + net_n_weights(other), sizeof *a);
    save(g, a);
    cr_assert_eq(load(other, "weights", a), NRE_EDATA);
    cr_assert_not_null(strstr(error_message(), "linear1.weight"), "%s", error_message());
    cr_assert_not_null(strstr(error_message(), "[7][9]"), "%s", error_message());
    cr_assert_not_null(strstr(error_message(), "[6][9]"), "%s", error_message());
    cr_assert_eq(load(g, "elsewhere", a), NRE_EDATA);
    cr_assert_not_null(strstr(error_message(), "elsewhere/linear0.weight"), "%s",
                       error_message());
    free(a);
    net_free(g);
    net_free(other);
}
