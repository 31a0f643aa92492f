/* nn/linear.c - linear layers, as products of one-thread BLAS. */
#include "nn/nn.h"

#include <cblas.h>
#include <string.h>

static uint32_t n_parts(const net_node *v)
{
    return v->n_in - (v->based ? 1 : 0);
}

/* Floats between the rows of input K as a matrix [rows * sets][cols]. */
static size_t stride_of(const frame *f, const net_node *v, uint32_t k)
{
    return v->exchangeable || v->last ? input_of(f, v, k)->cols : f->stride[v->in[k]];
}

/* Start y [rows][units] from the head's part, the bias, or zero. */
static void start_rows(const frame *f, const net_node *v, size_t rows, float *y)
{
    const float *bias = v->bias >= 0 ? f->weights + f->g->weights[v->bias].at : NULL;
    int32_t base = v->based ? v->in[v->n_in - 1] : -1;
    for (size_t r = 0; r < rows; r++, y += v->cols) {
        const float *from =
            base >= 0 ? f->value[base] + r / f->per_x * f->stride[base] : bias;
        if (base >= 0 && bias)
            f->k->sum(v->cols, from, bias, y);
        else if (from)
            memcpy(y, from, v->cols * sizeof *y);
        else
            memset(y, 0, v->cols * sizeof *y);
    }
}

/* y [rows][units] = start + sum over parts of x [rows][cols] W[:, part]^T */
void linear_forward(const frame *f, const net_node *v)
{
    const net_tensor *t = &f->g->weights[v->weight];
    const size_t rows = frame_rows(f, v) * v->sets, columns = t->n / t->dim[0];
    float *y = f->value[v->id];
    start_rows(f, v, rows, y);
    for (uint32_t k = 0; k < n_parts(v); k++) {
        const float *w = f->weights + t->at + v->column[k], *x = f->value[v->in[k]];
        size_t cols = input_of(f, v, k)->cols, stride = stride_of(f, v, k);
        if (v->cols == 1)
            f->k->rows_dot(rows, cols, stride, x, w, y);
        else
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)v->cols,
                        (int)cols, 1.0f, x, (int)stride, w, (int)columns, 1.0f, y,
                        (int)v->cols);
    }
}

/* dW[:, part] [units][cols] = dy^T x */
static void weight_back(const frame *f, const net_node *v, uint32_t k, size_t rows)
{
    const net_tensor *t = &f->g->weights[v->weight];
    const float *x = f->value[v->in[k]], *dy = f->slope[v->id];
    float *dw = gradient_of(f, v->weight) + v->column[k];
    size_t cols = input_of(f, v, k)->cols, stride = stride_of(f, v, k);
    if (v->cols == 1)
        f->k->rows_weighted(rows, cols, stride, dy, x, dw);
    else
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)v->cols, (int)cols,
                    (int)rows, 1.0f, dy, (int)v->cols, x, (int)stride, 0.0f, dw,
                    (int)(t->n / t->dim[0]));
}

/* dx [rows][cols] (+)= dy W[:, part] */
static void input_back(const frame *f, const net_node *v, uint32_t k, size_t rows)
{
    slope_place to = slope_of(f, v, k);
    if (!to.at)
        return;
    const net_tensor *t = &f->g->weights[v->weight];
    const float *w = f->weights + t->at + v->column[k], *dy = f->slope[v->id];
    size_t cols = input_of(f, v, k)->cols,
           stride = v->exchangeable || v->last ? cols : to.stride;
    if (v->cols == 1)
        f->k->rows_outer(rows, cols, stride, dy, w, to.at, to.add);
    else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)cols,
                    (int)v->cols, 1.0f, dy, (int)v->cols, w, (int)(t->n / t->dim[0]),
                    to.add ? 1.0f : 0.0f, to.at, (int)stride);
}

/* The head's part gets the sum over the pairs of its row. */
static void base_back(const frame *f, const net_node *v)
{
    slope_place to = slope_of(f, v, v->n_in - 1);
    if (!to.at)
        return;
    const float *dy = f->slope[v->id];
    for (size_t i = 0; i < f->n; i++) {
        float *row = to.at + i * to.stride;
        if (!to.add)
            memset(row, 0, v->cols * sizeof *row);
        for (size_t k = 0; k < f->per_x; k++, dy += v->cols)
            f->k->add(v->cols, dy, row);
    }
}

void linear_backward(const frame *f, const net_node *v)
{
    const size_t rows = frame_rows(f, v) * v->sets;
    if (f->gradient && v->bias >= 0)
        f->k->column_sum(rows, v->cols, f->slope[v->id], gradient_of(f, v->bias));
    if (v->based)
        base_back(f, v);
    for (uint32_t k = 0; k < n_parts(v); k++) {
        if (f->gradient)
            weight_back(f, v, k, rows);
        input_back(f, v, k, rows);
    }
}
