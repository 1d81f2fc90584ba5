"""The pages of portfolios: the list, one portfolio, and the forms that book in it."""
