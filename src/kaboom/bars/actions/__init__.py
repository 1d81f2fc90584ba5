"""Corporate actions: reported, suspected and reviewed, kept beside the raw bars."""
