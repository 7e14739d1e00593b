"""Usual names of columns in tables of clips."""

# Keys of names (`name_key`), in the order of preference.
FILES = (
    "filename filenames fname file audiofilename audiofile slicefilename "
    "filepath audiofilepath audiopath path wavfile wav wavfilename audio clip "
    "clipname itemid soundfile recordingfilename"
).split()
LABELS = (
    "labels label classname class category scenelabel primarylabel eventlabel "
    "soundclass soundevent species speciescode commonname scientificname "
    "classes categories events event tags tag annotation keyword command word "
    "classlabel classlabels labelname labelnames labellist labelslist "
    "targetlabel targetclass categoryname eventclass speciesname ebirdcode"
).split()
# Used only if no other column has the class.
NUMBERS = "target classid labelid classindex labelindex y".split()
SPLITS = ("split", "subset", "set", "partition", "datasplit", "datasetsplit")
FOLDS = ("fold", "folds", "foldid", "cvfold", "kfold")
GROUPS = (
    "group groupid fsid srcfile sourcefile speaker speakerid identifier "
    "recordingid ytid youtubeid clientid"
).split()
STARTS = (
    "startseconds start starttime starttimes starts startsec onset "
    "onsetseconds begin begintime begintimes"
).split()
ENDS = (
    "endseconds end endtime endtimes ends endsec offsetseconds stop stoptime"
).split()
DURATIONS = ("duration", "durationseconds", "durations", "durationsec")
# Columns whose cells must be times or splits. Others may be something else.
UNMISTAKABLE = ("startseconds", "endseconds", "split")
KNOWN = frozenset(
    (*FILES, *LABELS, *NUMBERS, *SPLITS, *FOLDS, *GROUPS)
    + (*STARTS, *ENDS, *DURATIONS, "offset")
)
# Row numbers, which are not classes.
ROW_NUMBERS = ("", "index", "id", "unnamed0")
