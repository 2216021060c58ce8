"""Models, matrices, figures and graphs."""

from __future__ import annotations

from triple import Triple

SCIPY = (
    Triple(
        "scipy.sparse.csr_matrix",
        "v = sparse.csr_matrix([[1, 0], [0, 2]])",
        "v.data[0] = 7",
        "v.toarray().tolist()",
        "from scipy import sparse",
    ),
    Triple(
        "scipy.sparse.lil_matrix",
        "v = sparse.lil_matrix((2, 2))",
        "v[0, 1] = 3",
        "v.toarray().tolist()",
        "from scipy import sparse",
    ),
    Triple(
        "scipy.sparse.coo_array",
        "v = sparse.coo_array(([1, 1], ([0, 0], [1, 1])))",
        "v.sum_duplicates()",
        "(v.data.tolist(), v.nnz)",
        "from scipy import sparse",
    ),
    Triple(
        "scipy.sparse.dok_array",
        "v = sparse.dok_array((2, 2))",
        "v[1, 0] = 4",
        "v.toarray().tolist()",
        "from scipy import sparse",
    ),
    Triple(
        "scipy.interpolate.CubicSpline",
        "v = CubicSpline([0, 1, 2], [0, 1, 4])",
        "v = v.derivative()",
        "v([0.5, 1.5]).tolist()",
        "from scipy.interpolate import CubicSpline",
    ),
    Triple(
        "scipy.spatial.KDTree",
        "v = KDTree([[0, 0], [1, 1]])",
        "v = KDTree(v.data[1:])",
        "v.query([0.9, 1])",
        "from scipy.spatial import KDTree",
    ),
    Triple(
        "scipy.spatial.transform.Rotation",
        "v = Rotation.from_euler('z', 90, degrees=True)",
        "v = v * v",
        "v.as_matrix().round(6).tolist()",
        "from scipy.spatial.transform import Rotation",
    ),
    Triple(
        "scipy.stats frozen distribution",
        "v = stats.norm(loc=1)",
        "v = stats.norm(loc=2)",
        "v.mean()",
        "from scipy import stats",
    ),
    Triple(
        "scipy.optimize.OptimizeResult",
        "v = minimize(lambda x: (x[0] - 1) ** 2, [0.0])",
        "v.note = 'done'",
        "(round(v.x[0], 4), v.get('note'))",
        "from scipy.optimize import minimize",
    ),
)

_XY = "X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]"
SKLEARN = (
    Triple(
        "sklearn LinearRegression",
        "v = LinearRegression()",
        f"{_XY}\nv.fit(X, y)",
        "{k: repr(a) for k, a in vars(v).items()}",
        "from sklearn.linear_model import LinearRegression",
    ),
    Triple(
        "sklearn LogisticRegression",
        f"{_XY}\nv = LogisticRegression().fit(X, y)",
        "v.set_params(C=0.5).fit(X, y)",
        "(v.C, v.coef_.round(6).tolist())",
        "from sklearn.linear_model import LogisticRegression",
    ),
    Triple(
        "sklearn SGDClassifier",
        f"{_XY}\nv = SGDClassifier(random_state=1).fit(X, y)",
        "v.partial_fit([[5.0]], [1])",
        "(v.coef_.tolist(), v.t_)",
        "from sklearn.linear_model import SGDClassifier",
    ),
    Triple(
        "sklearn RandomForestClassifier",
        "v = RandomForestClassifier(3, random_state=1)",
        f"{_XY}\nv.fit(X, y)",
        "v.predict_proba([[1.4]]).tolist() if hasattr(v, 'estimators_') else None",
        "from sklearn.ensemble import RandomForestClassifier",
    ),
    Triple(
        "sklearn DecisionTreeClassifier",
        "v = DecisionTreeClassifier(random_state=1)",
        f"{_XY}\nv.fit(X, y)",
        "v.tree_.threshold.tolist() if hasattr(v, 'tree_') else None",
        "from sklearn.tree import DecisionTreeClassifier",
    ),
    Triple(
        "sklearn KMeans",
        "v = KMeans(2, random_state=1, n_init=1)",
        f"{_XY}\nv.fit(X)",
        "sorted(v.cluster_centers_.ravel().tolist()) if hasattr(v, 'labels_') else None",
        "from sklearn.cluster import KMeans",
    ),
    Triple(
        "sklearn PCA",
        "v = PCA(1)",
        "v.fit([[0, 1], [2, 3], [4, 6]])",
        "v.components_.round(6).tolist() if hasattr(v, 'components_') else None",
        "from sklearn.decomposition import PCA",
    ),
    Triple(
        "sklearn StandardScaler",
        "v = StandardScaler().fit([[1.0], [2.0]])",
        "v.partial_fit([[9.0]])",
        "(v.mean_.tolist(), v.n_samples_seen_)",
        "from sklearn.preprocessing import StandardScaler",
    ),
    Triple(
        "sklearn LabelEncoder",
        "v = LabelEncoder()",
        "v.fit(['a', 'b'])",
        "getattr(v, 'classes_', None)",
        "from sklearn.preprocessing import LabelEncoder",
    ),
    Triple(
        "sklearn CountVectorizer",
        "v = CountVectorizer()",
        "v.fit(['one two', 'two'])",
        "sorted(getattr(v, 'vocabulary_', {}).items())",
        "from sklearn.feature_extraction.text import CountVectorizer",
    ),
    Triple(
        "sklearn Pipeline",
        "v = make_pipeline(StandardScaler(), GaussianNB())",
        f"{_XY}\nv.fit(X, y)",
        "v.predict([[0.1], [2.9]]).tolist() if hasattr(v[-1], 'theta_') else None",
        "from sklearn.naive_bayes import GaussianNB\n"
        "from sklearn.pipeline import make_pipeline\n"
        "from sklearn.preprocessing import StandardScaler",
    ),
    Triple(
        "sklearn GridSearchCV",
        f"{_XY}\nv = GridSearchCV(GaussianNB(), {{'var_smoothing': [1e-9, 1e-3]}}, cv=2)",
        "v.fit(X, y)",
        "getattr(v, 'best_params_', None)",
        "from sklearn.model_selection import GridSearchCV\nfrom sklearn.naive_bayes import GaussianNB",
    ),
)

MATPLOTLIB = (
    Triple(
        "matplotlib.figure.Figure",
        "v = Figure()",
        "v.add_subplot().plot([1, 3, 2]); v.suptitle('top')",
        "(v.get_suptitle(), [line.get_ydata().tolist() for ax in v.axes for line in ax.lines])",
        "from matplotlib.figure import Figure",
    ),
    Triple(
        "matplotlib.axes.Axes",
        "figure = Figure()\nv = figure.add_subplot()",
        "v.plot([1, 2]); v.set_title('t')",
        "(v.get_title(), len(v.lines), figure.axes[0] is v)",
        "from matplotlib.figure import Figure",
    ),
    Triple(
        "plt.subplots",
        "figure, v = plt.subplots()",
        "v.plot([1, 2]); plt.close(figure)",
        "(len(v.lines), v.figure is figure, plt.get_fignums())",
        "import matplotlib.pyplot as plt",
    ),
    Triple(
        "matplotlib.lines.Line2D",
        "v = Line2D([0, 1], [2, 3])",
        "v.set_color('red')",
        "(v.get_color(), list(v.get_xdata()))",
        "from matplotlib.lines import Line2D",
    ),
    Triple(
        "matplotlib.colors.Normalize",
        "v = Normalize(0, 1)",
        "v.vmax = 5",
        "(v.vmin, v.vmax)",
        "from matplotlib.colors import Normalize",
    ),
    Triple(
        "matplotlib.colors.ListedColormap",
        "v = ListedColormap(['red', 'blue'])",
        "v = v.with_extremes(bad='green')",
        "(v(0), v(float('nan')))",
        "from matplotlib.colors import ListedColormap",
    ),
    Triple(
        "matplotlib.rcParams",
        "v = plt.rcParams['lines.linewidth']",
        "plt.rcParams['lines.linewidth'] = v = 7.0",
        "(v, plt.rcParams['lines.linewidth'])",
        "import matplotlib.pyplot as plt",
    ),
)

NETWORKX = (
    Triple(
        "networkx.Graph",
        "v = nx.path_graph(3)",
        "v.add_edge(0, 9, weight=2.5); v.graph['name'] = 'g'",
        "(dict(v.graph), list(v.edges(data=True)))",
        "import networkx as nx",
    ),
    Triple(
        "networkx.DiGraph",
        "v = nx.DiGraph([(1, 2)])",
        "v.nodes[1]['colour'] = 'red'",
        "(list(v.nodes(data=True)), list(v.edges))",
        "import networkx as nx",
    ),
    Triple(
        "networkx.MultiGraph",
        "v = nx.MultiGraph([(1, 2)])",
        "v.add_edge(1, 2, key='again')",
        "list(v.edges(keys=True))",
        "import networkx as nx",
    ),
)
