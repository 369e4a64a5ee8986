module wasmplex

go 1.24
