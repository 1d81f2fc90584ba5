"""Drawing with matplotlib, which nothing else imports; `batch.pictures.png` loads this folder."""
