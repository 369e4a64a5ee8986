module plugin-name

go 1.24

// A copy of the SDK, so that this builds anywhere and offline.
require wasmplex v0.0.0

replace wasmplex => ./wasmplex
