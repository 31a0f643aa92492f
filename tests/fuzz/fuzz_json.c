/* Any bytes as the manifest of a dataset: JSON is read, then judged; no shard is there.
 */
#include "data/data.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static char folder[] = "/tmp/nereid-fuzz-XXXXXX", path[64];

static void leave(void)
{
    unlink(path);
    rmdir(folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    dataset *d;
    if (!*path) {
        if (!mkdtemp(folder))
            abort();
        snprintf(path, sizeof path, "%s/manifest.json", folder);
        atexit(leave);
    }
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0 || write(file, bytes, n) != (ssize_t)n)
        abort();
    close(file);
    if (dataset_open(folder, &d) != NRE_EDATA || dataset_is_there(folder, "f1"))
        abort();
    return 0;
}
