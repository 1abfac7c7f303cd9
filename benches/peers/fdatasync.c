/* Stands in for a disk: fdatasync waits as many microseconds as the file named by SYNC_MICROSECONDS says, an int64,
 * and does nothing else. The file is mapped, so that a test can make one sync a slow one, and so that asking costs
 * next to nothing. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

static const volatile int64_t *micros;

__attribute__((constructor)) static void map(void)
{
    const char *path = getenv("SYNC_MICROSECONDS");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *mapped = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *micros, PROT_READ, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED)
        abort();
    micros = mapped;
}

int fdatasync(int descriptor)
{
    (void)descriptor;
    int64_t all = *micros;
    struct timespec left = {all / 1000000, all % 1000000 * 1000};
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL); /* or the timer may take 50 us more */
    while (nanosleep(&left, &left) != 0) {
    }
    return 0;
}
