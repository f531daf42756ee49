"""ImageBind (Girdhar et al., 2023): six towers, one space, every modality bound to pictures.

An own implementation that reads the published checkpoint key for key and serves any size of it,
the bundled starter encoder included. Importing this package does not import torch.
"""
