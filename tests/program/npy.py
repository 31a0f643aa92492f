"""Read and write .npy files without NumPy, and check what the tests need of them.

npy.py write FILE f8|f4 COLUMNS VALUE...     rows of COLUMNS
npy.py shape FILE                            "5 4"
npy.py show FILE                             a row a line
npy.py gradient FILE STEP                    rows of an evaluation: centre, then a step up and down
                                             along each parameter; compares the gradient
"""
import ast
import struct
import sys


def read(path):
    with open(path, "rb") as f:
        data = f.read()
    assert data[:6] == b"\x93NUMPY", "no npy file"
    wide = data[6] >= 2
    length = struct.unpack("<I" if wide else "<H", data[8:12 if wide else 10])[0]
    start = (12 if wide else 10) + length
    head = ast.literal_eval(data[start - length:start].decode().strip())
    assert not head["fortran_order"]
    code = {"<f8": "d", "<f4": "f"}[head["descr"]]
    count = 1
    for n in head["shape"]:
        count *= n
    return head["shape"], struct.unpack(f"<{count}{code}", data[start:])


def rows_of(path):
    shape, values = read(path)
    width = len(values) // shape[0]
    return [values[i:i + width] for i in range(0, len(values), width)]


def write(path, kind, columns, values):
    shape = (len(values) // columns, columns)
    head = f"{{'descr': '<{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    head += " " * (-(10 + len(head) + 1) % 64) + "\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
        f.write(struct.pack(f"<{len(values)}{'d' if kind == 'f8' else 'f'}", *values))


def gradient(path, step):
    """Row 0 is the centre; rows 1 + 2k and 2 + 2k are a step up and down along parameter k."""
    rows = rows_of(path)
    parameters = len(rows[0]) - 2
    for k in range(parameters):
        numeric = (rows[1 + 2 * k][0] - rows[2 + 2 * k][0]) / (2 * step)
        exact = rows[0][2 + k]
        print(f"# parameter {k}: difference {numeric:.6g}, gradient {exact:.6g}")
        if abs(numeric - exact) > 0.02 * abs(exact) + 0.01:
            sys.exit("the gradient is not that of the log ratio")


def main(verb, *rest):
    if verb == "write":
        write(rest[0], rest[1], int(rest[2]), [float(v) for v in rest[3:]])
    elif verb == "shape":
        print(*read(rest[0])[0])
    elif verb == "show":
        for row in rows_of(rest[0]):
            print(*(repr(v) for v in row))
    else:
        gradient(rest[0], float(rest[1]))


if __name__ == "__main__":
    main(*sys.argv[1:])
