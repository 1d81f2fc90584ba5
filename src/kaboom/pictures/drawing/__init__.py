"""Drawing with matplotlib, which nothing else imports; `kaboom.pictures.png` loads this folder."""
