/* Tests of nn/safetensors.c: the bytes of the file, read by hand. */
#include "plain.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64], path[96];

static void folder_new(void)
{
    strcpy(folder, "/tmp/nereid-safetensors-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/n.safetensors", folder);
}

static void folder_end(void)
{
    unlink(path);
    rmdir(folder);
}

TestSuite(safetensors, .init = folder_new, .fini = folder_end);

typedef struct opened {
    char *bytes;
    size_t n, length; /* of the file, of the header */
    json_t *header;
} opened;

static opened open_file(void)
{
    opened o = {0};
    cr_assert_eq(file_read(path, 1 << 20, &o.bytes, &o.n), 0, "%s", error_message());
    cr_assert_gt(o.n, 8);
    for (unsigned i = 0; i < 8; i++)
        o.length |= (size_t)(unsigned char)o.bytes[i] << (8 * i);
    cr_assert_leq(8 + o.length, o.n);
    cr_assert_eq(o.bytes[8], '{');
    json_error_t e;
    o.header = json_loadb(o.bytes + 8, o.length, JSON_REJECT_DUPLICATES, &e);
    cr_assert_not_null(o.header, "%s", e.text);
    return o;
}

static void close_file(opened *o)
{
    json_decref(o->header);
    free(o->bytes);
}

static void write_net(const net *g, const float *values)
{
    tensor_set sets[2];
    json_t *facts = json_pack("{s:s, s:s}", "format", "a \"note\"", "other", "");
    sets[0].tensors = net_weights(g, &sets[0].n);
    sets[0].values = values;
    sets[1].tensors = net_buffers(g, &sets[1].n);
    sets[1].values = values + net_n_weights(g);
    cr_assert_eq(safetensors_write(path, facts, 2, sets), 0, "%s", error_message());
    json_decref(facts);
}

/* Entry of T, which begins at *AT of the data; the floats are VALUES in PyTorch's order. */
static void check_tensor(const opened *o, const net_tensor *t, const float *values,
                         size_t *at)
{
    const json_t *entry = json_object_get(o->header, t->name),
                 *shape = json_object_get(entry, "shape"),
                 *offsets = json_object_get(entry, "data_offsets");
    float *ordered = calloc(t->n, sizeof *ordered);
    cr_assert_not_null(entry, "no '%s'", t->name);
    cr_assert_str_eq(json_string_value(json_object_get(entry, "dtype")), "F32");
    cr_assert_eq(json_array_size(shape), t->rank);
    for (uint32_t i = 0; i < t->rank; i++)
        cr_assert_eq(json_integer_value(json_array_get(shape, i)), t->dim[i]);
    cr_assert_eq((size_t)json_integer_value(json_array_get(offsets, 0)), *at);
    tensor_export(t, values + t->at, ordered);
    cr_assert_arr_eq(o->bytes + 8 + o->length + *at, ordered, t->n * sizeof *ordered);
    *at += t->n * sizeof *ordered;
    cr_assert_eq((size_t)json_integer_value(json_array_get(offsets, 1)), *at);
    free(ordered);
}

static void check_example(const example *e)
{
    net *g = NULL;
    size_t at = 0, n, k;
    cr_assert_eq(example_net(e, &g), 0);
    const net_tensor *w = net_weights(g, &n), *b = net_buffers(g, &k);
    size_t floats = net_n_weights(g) + net_n_buffers(g);
    float *values = calloc(floats, sizeof *values);
    normals(3, floats, values);
    write_net(g, values);
    opened o = open_file();
    cr_assert_eq(o.length % 8, 0);
    cr_assert_eq(json_object_size(o.header), 1 + n + k);
    for (size_t i = 0; i < n; i++)
        check_tensor(&o, &w[i], values, &at);
    for (size_t i = 0; i < k; i++)
        check_tensor(&o, &b[i], values + net_n_weights(g), &at);
    cr_assert_eq(8 + o.length + at, o.n, "%s: there is more in the file", e->name);
    close_file(&o);
    free(values);
    net_free(g);
}

Test(safetensors, tensors_lie_where_the_header_says)
{
    for (size_t i = 0; i < N_EXAMPLES; i++)
        check_example(&EXAMPLES[i]);
}

Test(safetensors, metadata_are_texts)
{
    net *g = NULL;
    cr_assert_eq(example_net(&EXAMPLES[0], &g), 0);
    float *values = calloc(net_n_weights(g), sizeof *values);
    write_net(g, values);
    opened o = open_file();
    const json_t *facts = json_object_get(o.header, "__metadata__");
    cr_assert_eq(json_object_size(facts), 2);
    cr_assert_str_eq(json_string_value(json_object_get(facts, "format")), "a \"note\"");
    cr_assert_str_eq(json_string_value(json_object_get(facts, "other")), "");
    close_file(&o);
    free(values);
    net_free(g);
}

Test(safetensors, a_convolution_is_in_the_order_of_pytorch)
{
    const float memory[] = {0, 1, 2, 3, 4, 5}; /* [1][3][2]: taps, then channels */
    const net_tensor t = {.name = "conv.weight",
                          .rank = 3,
                          .dim = {1, 2, 3},
                          .channels_last = true,
                          .n = 6};
    const float expected[] = {0, 2, 4, 1, 3, 5};
    json_t *facts = json_object();
    cr_assert_eq(safetensors_write(path, facts, 1, &(tensor_set){1, &t, memory}), 0);
    opened o = open_file();
    cr_assert_arr_eq(o.bytes + 8 + o.length, expected, sizeof expected);
    close_file(&o);
    json_decref(facts);
}

Test(safetensors, a_folder_that_is_not_there_is_told)
{
    json_t *facts = json_object();
    cr_assert_neq(safetensors_write("/nowhere/at/all.safetensors", facts, 0, NULL), 0);
    cr_assert_not_null(strstr(error_message(), "/nowhere/at/all.safetensors"), "%s",
                       error_message());
    json_decref(facts);
}
