package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ticksPerSecond is USER_HZ, which Linux fixes at 100 for what it tells processes.
const ticksPerSecond = 100

// cpuTimes returns the CPU seconds that each kind of process has used, user and
// system. Where there is no /proc they are 0, and the tables say nothing of them.
func cpuTimes(pids map[string][]int) map[string]float64 {
	times := map[string]float64{}
	for kind, of := range pids {
		times[kind] = 0
		for _, pid := range of {
			times[kind] += cpuTime(pid)
		}
	}
	return times
}

// cpuTime adds up all threads of a process, to 10 ms; see proc(5).
func cpuTime(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, ok := bytes.Cut(text, []byte(") ")) // a name may hold blanks
	fields := strings.Fields(string(rest))
	if !ok || len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / ticksPerSecond
}

// resident returns the memory that a process has in RAM now, in bytes.
func resident(pid int) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}
