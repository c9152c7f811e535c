module plugin-name

go 1.24
