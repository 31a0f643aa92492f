/* tests/nn/plain_onnx.h - ONNX models by plain loops in double, from the format's description. */
#ifndef NEREID_TESTS_PLAIN_ONNX_H
#define NEREID_TESTS_PLAIN_ONNX_H

#include <onnx.pb-c.h>
#include <stddef.h>

/* onnx__model_proto__free_unpacked(m, NULL) */
Onnx__ModelProto *plain_onnx_open(const char *path);
const Onnx__TensorProto *plain_onnx_constant(const Onnx__ModelProto *m, const char *name);
/* NULL when there is none. */
const char *plain_onnx_note(const Onnx__ModelProto *m, const char *key);
/* log_ratio [n] of theta [n][..] and x [n][..], whose widths are the model's.  A model that is not
 * in order (a name given twice, or used before it is known; shapes that do not fit; an op that the
 * opset lacks) fails the test. */
void plain_onnx_run(const Onnx__ModelProto *m, size_t n, const double *theta,
                    const double *x, double *log_ratio);

#endif
