package main

import "golang.org/x/sys/windows"

// space gives how many bytes are left for this user on the disk that a folder is on, and how many it has.
func space(dir string) (free, total uint64, err error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, 0, err
	}
	err = windows.GetDiskFreeSpaceEx(name, &free, &total, nil)
	return free, total, err
}
