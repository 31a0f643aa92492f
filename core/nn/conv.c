/* nn/conv.c - convolutions, as products of one-thread BLAS without any copy.
 *
 * Channels lie last, so what a row of the kernel sees from one place is contiguous in a row of x.
 * Over all rows it is a matrix [rows][taps * channels], rows a whole x apart, and a convolution is
 * one product for each place of the output and row of the kernel; padding is never multiplied.
 * With dilation or groups, a product for each tap and group. */
#include "nn/nn.h"

#include <cblas.h>
#include <string.h>

/* What one product takes, in floats: of a row of x from X on, of the weights from column W on. */
typedef struct part {
    size_t x, w, cols;
} part;

/* The parts that one place of the output meets, one after another. */
typedef struct walk {
    const window *w;
    size_t channels, group, in; /* of x; of a group */
    size_t place[2];
    size_t row, tap; /* of the kernel: the next */
} walk;

/* Taps of the kernel along dimension D that meet x: [first, end). */
static void taps_inside(const window *w, size_t d, size_t place, size_t *first,
                        size_t *end)
{
    size_t at = place * w->stride[d], step = w->dilation[d], pad = w->padding[d];
    *first = at < pad ? (pad - at + step - 1) / step : 0;
    size_t room = w->in[d] + pad > at ? (w->in[d] + pad - at + step - 1) / step : 0;
    *end = room < w->kernel[d] ? room : w->kernel[d];
}

static walk walk_from(const frame *f, const net_node *v, size_t place, size_t group)
{
    const window *w = v->window;
    size_t channels = input_of(f, v, 0)->cols;
    return (walk){.w = w,
                  .channels = channels,
                  .group = group,
                  .in = channels / w->groups,
                  .place = {place / w->out[1], place % w->out[1]}};
}

static bool walk_next(walk *k, part *out)
{
    const window *w = k->w;
    size_t first[2], end[2];
    for (size_t d = 0; d < 2; d++)
        taps_inside(w, d, k->place[d], &first[d], &end[d]);
    k->row = k->row > first[0] ? k->row : first[0];
    k->tap = k->tap > first[1] ? k->tap : first[1];
    if (k->row >= end[0] || first[1] >= end[1])
        return false;
    bool whole = w->dilation[1] == 1 && w->groups == 1;
    size_t taps = whole ? end[1] - k->tap : 1;
    size_t y = k->place[0] * w->stride[0] + k->row * w->dilation[0] - w->padding[0];
    size_t x = k->place[1] * w->stride[1] + k->tap * w->dilation[1] - w->padding[1];
    *out = (part){.x = (y * w->in[1] + x) * k->channels + k->group * k->in,
                  .w = (k->row * w->kernel[1] + k->tap) * k->in,
                  .cols = taps * k->in};
    k->tap += taps;
    if (k->tap >= end[1]) {
        k->tap = 0;
        k->row++;
    }
    return true;
}

static size_t columns_of(const frame *f, const net_node *v)
{
    const net_tensor *t = &f->g->weights[v->weight];
    return t->n / t->dim[0];
}

static void start_rows(const frame *f, const net_node *v)
{
    const float *bias = v->bias >= 0 ? f->weights + f->g->weights[v->bias].at : NULL;
    float *y = f->value[v->id];
    for (size_t r = 0; r < frame_rows(f, v) * v->sets; r++, y += v->cols)
        if (bias)
            memcpy(y, bias, v->cols * sizeof *y);
        else
            memset(y, 0, v->cols * sizeof *y);
}

/* One product of those below, of ROWS rows: place PLACE, group GROUP, part P. */
typedef void product(const frame *f, const net_node *v, size_t place, size_t group,
                     part p);

static void each_product(const frame *f, const net_node *v, product *one)
{
    for (size_t place = 0; place < v->sets; place++)
        for (size_t group = 0; group < v->window->groups; group++) {
            walk k = walk_from(f, v, place, group);
            part p;
            while (walk_next(&k, &p))
                one(f, v, place, group, p);
        }
}

/* y [rows][out] += x [rows][cols] w [out][cols]^T */
static void forward_one(const frame *f, const net_node *v, size_t place, size_t group,
                        part p)
{
    const size_t out = v->cols / v->window->groups, columns = columns_of(f, v);
    const float *w = f->weights + f->g->weights[v->weight].at;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)frame_rows(f, v), (int)out,
                (int)p.cols, 1.0f, f->value[v->in[0]] + p.x, (int)f->stride[v->in[0]],
                w + group * out * columns + p.w, (int)columns, 1.0f,
                f->value[v->id] + place * v->cols + group * out, (int)v->size);
}

void conv_forward(const frame *f, const net_node *v)
{
    start_rows(f, v);
    each_product(f, v, forward_one);
}

/* dw [out][cols] += dy [rows][out]^T x [rows][cols] */
static void weight_one(const frame *f, const net_node *v, size_t place, size_t group,
                       part p)
{
    const size_t out = v->cols / v->window->groups, columns = columns_of(f, v);
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)out, (int)p.cols,
                (int)frame_rows(f, v), 1.0f,
                f->slope[v->id] + place * v->cols + group * out, (int)v->size,
                f->value[v->in[0]] + p.x, (int)f->stride[v->in[0]], 1.0f,
                gradient_of(f, v->weight) + group * out * columns + p.w, (int)columns);
}

/* dx [rows][cols] += dy [rows][out] w [out][cols] */
static void input_one(const frame *f, const net_node *v, size_t place, size_t group,
                      part p)
{
    const size_t out = v->cols / v->window->groups, columns = columns_of(f, v);
    const float *w = f->weights + f->g->weights[v->weight].at;
    slope_place to = slope_of(f, v, 0);
    cblas_sgemm(
        CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)frame_rows(f, v), (int)p.cols,
        (int)out, 1.0f, f->slope[v->id] + place * v->cols + group * out, (int)v->size,
        w + group * out * columns + p.w, (int)columns, 1.0f, to.at + p.x, (int)to.stride);
}

void conv_backward(const frame *f, const net_node *v)
{
    const size_t rows = frame_rows(f, v), in = input_of(f, v, 0)->size;
    slope_place to = slope_of(f, v, 0);
    if (f->gradient) {
        const net_tensor *t = &f->g->weights[v->weight];
        memset(gradient_of(f, v->weight), 0, t->n * sizeof(float));
        each_product(f, v, weight_one);
    }
    if (f->gradient && v->bias >= 0)
        f->k->column_sum(rows * v->sets, v->cols, f->slope[v->id],
                         gradient_of(f, v->bias));
    for (size_t r = 0; to.at && !to.add && r < rows; r++)
        memset(to.at + r * to.stride, 0, in * sizeof(float));
    if (to.at)
        each_product(f, v, input_one);
}
