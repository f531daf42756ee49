class ImageBindProcessor: pass
