/* Tests of nn/onnx.c: what is built comes back from the file. */
#include "nn/nn.h"
#include "plain_onnx.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64], path[96];

static void folder_new(void)
{
    strcpy(folder, "/tmp/nereid-onnx-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/m.onnx", folder);
}

static void folder_end(void)
{
    unlink(path);
    rmdir(folder);
}

TestSuite(onnx, .init = folder_new, .fini = folder_end);

/* log_ratio = mean over the columns of x / 4, plus theta [0]. */
static void build(onnx *m)
{
    const int64_t axis = 1, zero = 0, all = -1;
    const char *theta = onnx_input(m, "theta", ONNX_F64, 1);
    const char *x = onnx_input(m, "x", ONNX_F32, 3);
    const char *scaled[] = {x, onnx_number(m, ONNX_F32, 4)};
    const char *quarter = onnx_op(m, "Div", "quarter", 2, scaled);
    const char *mean = onnx_op(m, "ReduceMean", NULL, 1, &quarter);
    onnx_set_ints(m, "axes", 1, &axis);
    onnx_set_int(m, "keepdims", 1);
    const char *single = onnx_op(m, "Cast", NULL, 1, &theta);
    onnx_set_int(m, "to", ONNX_F32);
    const char *slope = onnx_op(m, "LeakyRelu", NULL, 1, &single);
    onnx_set_float(m, "alpha", 0.5);
    const char *both[] = {mean, slope};
    const char *flat[] = {onnx_op(m, "Add", NULL, 2, both), onnx_integers(m, 1, &all)};
    onnx_output(m, "log_ratio", onnx_op(m, "Reshape", NULL, 2, flat));
    onnx_note(m, "key", "text");
    onnx_integers(m, 1, &zero);
}

static Onnx__ModelProto *built(void)
{
    onnx *m = NULL;
    cr_assert_eq(onnx_new("1.2.3", &m), 0);
    build(m);
    cr_assert_eq(onnx_save(m, path), 0, "%s", error_message());
    onnx_free(m);
    return plain_onnx_open(path);
}

Test(onnx, says_what_it_is)
{
    Onnx__ModelProto *m = built();
    cr_assert_eq(m->ir_version, 7);
    cr_assert_eq(m->n_opset_import, 1);
    cr_assert_str_eq(m->opset_import[0]->domain, "");
    cr_assert_eq(m->opset_import[0]->version, 13);
    cr_assert_str_eq(m->producer_name, "nereid");
    cr_assert_str_eq(m->producer_version, "1.2.3");
    cr_assert_str_eq(plain_onnx_note(m, "key"), "text");
    onnx__model_proto__free_unpacked(m, NULL);
}

static void check_rows(const Onnx__ValueInfoProto *v, const char *name, int type,
                       int64_t columns)
{
    const Onnx__TypeProto__Tensor *t = v->type->tensor_type;
    cr_assert_str_eq(v->name, name);
    cr_assert_eq(v->type->value_case, ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE);
    cr_assert_eq(t->elem_type, type);
    cr_assert_eq(t->shape->n_dim, columns ? 2 : 1);
    cr_assert_str_eq(t->shape->dim[0]->dim_param, "batch");
    if (columns)
        cr_assert_eq(t->shape->dim[1]->dim_value, columns);
}

Test(onnx, takes_any_number_of_rows)
{
    Onnx__ModelProto *m = built();
    cr_assert_eq(m->graph->n_input, 2);
    check_rows(m->graph->input[0], "theta", ONNX_F64, 1);
    check_rows(m->graph->input[1], "x", ONNX_F32, 3);
    cr_assert_eq(m->graph->n_output, 1);
    check_rows(m->graph->output[0], "log_ratio", ONNX_F32, 0);
    onnx__model_proto__free_unpacked(m, NULL);
}

Test(onnx, computes_what_was_built)
{
    const double theta[] = {1, -4}, x[] = {1, 2, 3, 4, 8, 12};
    double out[2];
    Onnx__ModelProto *m = built();
    plain_onnx_run(m, 2, theta, x, out);
    cr_assert_float_eq(out[0], 1.5, 1e-15);
    cr_assert_float_eq(out[1], 0, 1e-15);
    onnx__model_proto__free_unpacked(m, NULL);
}

Test(onnx, a_constant_is_there_once)
{
    const uint32_t dim[] = {2, 1};
    const float values[] = {1, 2}, others[] = {3, 4};
    onnx *m = NULL;
    cr_assert_eq(onnx_new("1", &m), 0);
    const char *a = onnx_tensor(m, "w", ONNX_F32, 2, dim, values);
    cr_assert_eq(onnx_tensor(m, "w", ONNX_F32, 2, dim, others), a);
    cr_assert_eq(onnx_number(m, ONNX_F32, 0.1), onnx_number(m, ONNX_F32, 0.1));
    cr_assert_str_neq(onnx_number(m, ONNX_F64, 0.1), onnx_number(m, ONNX_F32, 0.1));
    cr_assert_eq(onnx_save(m, path), 0);
    onnx_free(m);
    Onnx__ModelProto *read = plain_onnx_open(path);
    const Onnx__TensorProto *t = plain_onnx_constant(read, "w");
    cr_assert_eq(read->graph->n_initializer, 3);
    cr_assert_eq(t->raw_data.len, sizeof values);
    cr_assert_arr_eq(t->raw_data.data, values, sizeof values);
    onnx__model_proto__free_unpacked(read, NULL);
}

Test(onnx, a_failed_call_is_remembered)
{
    onnx *m = NULL;
    cr_assert_eq(onnx_new("1", &m), 0);
    const char *none = NULL;
    const char *a = onnx_op(m, "Relu", NULL, 1, &none);
    cr_assert_null(a);
    onnx_set_int(m, "axis", 1);
    onnx_output(m, "log_ratio", a);
    cr_assert_eq(onnx_save(m, path), NRE_ENOMEM);
    cr_assert_neq(access(path, F_OK), 0);
    onnx_free(m);
}

Test(onnx, same_content_same_bytes)
{
    char *a = NULL, *b = NULL;
    size_t n, k;
    onnx__model_proto__free_unpacked(built(), NULL);
    cr_assert_eq(file_read(path, 1 << 20, &a, &n), 0);
    onnx__model_proto__free_unpacked(built(), NULL);
    cr_assert_eq(file_read(path, 1 << 20, &b, &k), 0);
    cr_assert_eq(n, k);
    cr_assert_arr_eq(a, b, n);
    free(a);
    free(b);
}
