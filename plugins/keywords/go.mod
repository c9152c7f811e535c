module keywords

go 1.24
