package footprint

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// giveBackCode has the kernel take the pages of the program's code out of this process:
// what runs again comes back from the page cache when it does. The start runs a little of
// every library, and for each bit the kernel maps 64 KiB, so that most of the code counts
// as this process's memory for ever although next to nothing of it is used.
//
// Code alone: nobody writes there, so that nothing can be lost (madvise(2), MADV_DONTNEED).
func giveBackCode() error {
	start, end, err := codeOf("/proc/self/maps")
	if err != nil {
		return err
	}
	if _, _, fault := syscall.Syscall(syscall.SYS_MADVISE, start, end-start, syscall.MADV_DONTNEED); fault != 0 {
		return fmt.Errorf("give back the pages of the code: %w", fault)
	}
	return nil
}

// codeOf returns where the code of the program is, by the list of mappings of its process
// (proc_pid_maps(5)).
func codeOf(list string) (start, end uintptr, err error) {
	program, err := os.Executable()
	if err != nil {
		return 0, 0, err
	}
	file, err := os.Open(list)
	if err != nil {
		return 0, 0, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line := lines.Text()
		var permissions string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &start, &end, &permissions); err == nil && permissions == "r-xp" && strings.HasSuffix(line, program) {
			return start, end, nil
		}
	}
	return 0, 0, fmt.Errorf("%s: no code of %s is in it (%v)", list, program, lines.Err())
}
