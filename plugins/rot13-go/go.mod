module rot13

go 1.24

require wasmplex v0.0.0

replace wasmplex => ../../plugin-sdk/go
