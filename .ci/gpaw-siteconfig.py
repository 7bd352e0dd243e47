# Given to GPAW's build by GPAW_CONFIG: FFTW makes plane waves a third faster than numpy's transforms.
fftw = True
libraries = ["xc", "openblas", "fftw3"]
