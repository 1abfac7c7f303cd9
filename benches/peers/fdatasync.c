/* Stands in for a disk: fdatasync waits as many microseconds as the file named by SYNC_MICROSECONDS says,
 * and does nothing else. The file is read at each call, so that a test can make one sync a slow one. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int fdatasync(int descriptor)
{
    (void)descriptor;
    long micros = 0;
    const char *path = getenv("SYNC_MICROSECONDS");
    FILE *file = path ? fopen(path, "re") : NULL;
    if (file) {
        if (fscanf(file, "%ld", &micros) != 1)
            micros = 0;
        fclose(file);
    }
    struct timespec left = {micros / 1000000, micros % 1000000 * 1000};
    while (nanosleep(&left, &left) != 0) {
    }
    return 0;
}
